"""What a run saw: latencies, counters, records of frames, and whether the generator kept up.

`latency` and `hlog` measure CALLs by `histogram`s; `counters` count everything else, with `tally`
and `rates`; `records` and `hub` carry the frames to whoever listens. `health` watches the generator
itself, by `lag` and `process`, and `generator_verdict` judges it. Imported from the modules; this
package re-exports nothing, so that importing one part costs only that part.
"""
