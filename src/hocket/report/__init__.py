"""Reports: tables, self-contained HTML with Gantt charts, Perfetto traces, columns for analysis.

Everything here is a function of a Timeline, a Solution or comparison rows. Nothing is imported
until its module is asked for.
"""
