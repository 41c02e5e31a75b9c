"""This tool, told the loop's grid: what somebody who has picked configurations by hand would do."""

from benchmarks.peers_ours import main
from benchmarks.peers_setting import Setting

if __name__ == "__main__":
    main(Setting.of_command_line())
