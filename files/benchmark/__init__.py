"""The Job of the benchmark: AIPerf against a release, judged by the frontend's own counters."""
