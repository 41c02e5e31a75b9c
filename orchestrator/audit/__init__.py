"""Labels that the models of a study contradict: who is suspected, by what evidence, and a draft of fixes."""
