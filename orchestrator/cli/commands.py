"""Every command and its one line, in the order in which a user meets them."""

COMMANDS = {
    "doctor": "Check that this machine and the servers are ready for a search.",
    "check": "Look at data and a space before a search: what is odd or wrong.",
    "tune": "Search a space; weak configurations are stopped early.",
    "ensemble": "Build an ensemble from studies, score it, predict with it.",
    "report": "Show a study as one HTML file that can be sent.",
    "studies": "List, compare, note, remove and export studies.",
    "audit": "List labels that models contradict, and draft fixes.",
    "pseudo_labels": "Label unlabelled images fold by fold, for tune --extra.",
    "tracking": "Mirror a study to Weights & Biases.",
    "servers": "Start and end the Ray that cluster.yaml describes.",
    "completion": "Print what a shell needs to complete commands and names.",
    "race.simulate": "Compare stopping rules on a table of learning curves.",
}
