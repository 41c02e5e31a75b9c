"""The sections of a report, one file each; `report.page` lists them."""
