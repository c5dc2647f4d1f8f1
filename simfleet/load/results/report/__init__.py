"""`report.html`: a run on one page, made of nothing but what is in its folder."""
