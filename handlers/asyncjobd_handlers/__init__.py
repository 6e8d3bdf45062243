"""Stock handlers: programs (command), HTTP requests, email, SQL; and tracing by OpenTelemetry."""
