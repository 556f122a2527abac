"""Expectations evaluated by polars, in one streaming pass for the whole suite.

Each planner turns one entry into aggregates and a function of them (`plan.Plan`), with the meaning that
great-expectations gives it on pandas: NaN is missing, integers beside a gap are floats. Whatever a planner does not
know exactly it does not answer: it raises `Unsupported`, and great-expectations is asked.
"""
