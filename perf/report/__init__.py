"""A page and a Markdown file from result files of one or several nodes.

runs.py        which files there are, and what each run is called on the page
document.py    sections of text, tables and pictures: what the two renderers take
words.py       values with their units, titles of figures
look.py        colours, fonts; a drawing as SVG
charts.py      bars, curves and dots, drawn from figures
overview.py  paper.py  accuracy.py  load.py  compare.py  engine.py     one section a mode
html.py  markdown.py  build.py                                         what is written
"""
