"""What a run tells others while it goes on: Prometheus, OTLP, InfluxDB, a file of JSON lines."""
