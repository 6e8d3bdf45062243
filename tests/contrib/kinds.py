"""A job of every kind, for all ways to insert one."""

from datetime import UTC, datetime, timedelta

from asyncjobd import JobBuilder, NewJob, Status

IN_FULL = (
    JobBuilder("in_full")
    .set_params({"text": "100% of 'it': \\ ::int :name %(name)s"})
    .set_schedule_time(datetime(2040, 1, 2, 3, 4, tzinfo=UTC))
    .set_priority(-3)
    .set_is_recursive(True)
    .set_retry_interval(timedelta(days=15))
    .set_retry_backoff(2)
    .set_retry_interval_max(timedelta(days=60))
    .set_retry_jitter(0.25)
    .set_max_execution_count(7)
    .set_timeout(timedelta(seconds=90))
    .set_parent_job_id(1_000_000_000)  # no job of these
    .set_unique_key("unique")
    .set_limit_key("tenant-7")
    .set_waits_for_children()
    .set_when_failed(Status.HOLD)
    .set_traceparent("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    .build()
)
PLAIN = NewJob(job_name="plain")
ONCE = JobBuilder("once").set_once_key("once").build()
DEBOUNCED = (
    JobBuilder("debounced").set_debounce("key", timedelta(hours=1), at_most=timedelta(hours=2)).build()
)
DELAYED = NewJob(job_name="delayed", delay=timedelta(hours=1))
KINDS = [IN_FULL, PLAIN, ONCE, DEBOUNCED, DELAYED]
