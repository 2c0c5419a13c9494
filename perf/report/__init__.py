"""A page and a Markdown file from result files of one or several nodes.

gather_runs     which files there are, and what each run is called on the page
document        sections of text, tables and pictures: what the two renderers take
figure_words    values with their units, titles of figures
picture_look    colours, fonts; a drawing as SVG
charts          bars, curves and dots, drawn from figures
paper_section, accuracy_section, load_section …                one section a mode
html_page, markdown_page, figures_csv, build_report            what is written
"""
