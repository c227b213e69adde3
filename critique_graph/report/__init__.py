"""What runs found, as one self-contained HTML page: figures, plots, a table of problems, and all of each problem.

`kinds` tells the verb of a folder, `read_run` reads it, a module a verb (`run_page`, `generate_page` and so on) makes
of it what `layout` describes, `charts`, `plots` and `svg` draw, and `page` writes the file. Models write most of what
is shown: `page/page.js` and `page/trees.js` put it into the page as text alone, and the page's policy forbids
everything else.
"""
