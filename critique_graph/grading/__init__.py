"""Read answers and decide whether they are equal: `grader` is the way in, and says what counts as equal."""
