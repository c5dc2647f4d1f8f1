"""What a run saw: latencies, counters, records of frames, and whether the generator kept up.

`latency` and `hlog` measure CALLs, `counters` count everything else, `records` and `hub` carry the
frames to whoever listens, `health` watches the generator itself. Imported from the modules; this
package re-exports nothing, so that importing one part costs only that part.
"""
