"""What commands show of data: tables, findings and pictures, in a terminal and as one HTML file."""
