"""`python -m critique_graph` is `critique-graph`."""

from critique_graph.cli import main

main()
