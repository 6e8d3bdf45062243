"""Why a job is as it is, in one sentence."""
