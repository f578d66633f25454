"""What users asked, each as the two programs they had and what the report must name.

A file has the question with its source, ``EXPECTED`` (ids of causes), ``data``, and the builders
``left`` and ``right``.
"""
