"""The shortest schedule of known graphs, with a proof."""
