"""What runs found, as one self-contained HTML page: figures, plots, a table of problems, and all of each problem.

`read_run` reads a folder, `contents` and `problems` make of it what is shown, `plots` and `svg` draw, `page` writes the
file. Models write most of what is shown: `page/page.js` puts it into the page as text alone, and the page's policy
forbids everything else.
"""
