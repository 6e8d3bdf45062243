/* The stop: what a client writes while a job runs is seen, acknowledged by the daemon that runs it, and
 * stands.
 *
 * A client's write is a transaction: it locks the row, and commits or rolls back later; the engine's
 * statements skip a locked row and are tried again. After "=", a comment names the code that a step
 * stands for. A daemon that has nothing to do waits for its signals: so this shows, too, that each row
 * which is released runs again.
 *
 * Left out: the gate (see gate.pml: a client's notification arrives if the daemon listens); leases,
 * failovers and cuts (see lease.pml); times: a Queued row is due some time later; retries and
 * repetitions; full daemons; the looks of Fallback.
 *
 * D daemons and one job; WRITES of a client, with DELETES also deletions; at most TOKENS claims. Faults:
 * LOSSES of answers, a daemon's death (DEATHS), and ends of the listener's session (LISTENER_LOSSES).
 */
#ifndef D
#define D 1
#endif
#ifndef WRITES
#define WRITES 2
#endif
#ifndef TOKENS
#define TOKENS 4
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LISTENER_LOSSES
#define LISTENER_LOSSES 0
#endif

#define NONE 7

mtype = { queued, progress, hold, completed, failed, deleted };

/* PostgreSQL: the row */
mtype status = progress;
byte owner = NONE, token;
bit stop_requested;
bit is_locked;                          /* by a client's transaction */

/* the daemons */
bit rows_ready[D], row_due[D], must_look[D];        /* signals; the last: stop_requested of Signals */
byte in_flight[D], runs[D], ended[D], suspect[D];   /* tokens */
bit is_endless[D];                      /* the handler ends only when it is cancelled */
bit is_deaf[D], dead[D];

byte next_token = 1;
byte losses = LOSSES;

/* what nobody but this model knows */
bit is_stopped;                         /* a client has stopped the execution that owns the row */
byte begun;                             /* tokens whose handlers have begun */
mtype wish = progress;          /* the status that a client, or the daemon after it, has brought about last */

#define IS_ENDED(s)   (s == completed || s == failed)
#define IS_WAITING(s) (s == queued || s == progress)
#define IS_WANTED(d)  (runs[d] == 0 || owner == d && token == runs[d] && !stop_requested)
#if D == 1
#define NOBODY_RUNS (runs[0] == 0)
#define ALL_ARE_WANTED IS_WANTED(0)
#else
#define NOBODY_RUNS (runs[0] == 0 && runs[1] == 0)
#define ALL_ARE_WANTED (IS_WANTED(0) && IS_WANTED(1))
#endif

/* = function asyncjob.announce, = asyncjobd.engine.wakeup.listener.Listener._hear */
inline announce(is_due) {               /* = asyncjobd.engine.signals.RowsReady.add */
    for (i : 0 .. D - 1) {
        if
        :: dead[i] || is_deaf[i]
        :: else -> if :: is_due -> row_due[i] = 1 :: else -> rows_ready[i] = 1 fi
        fi
    }
    i = 0
}

inline follow_up(x) {                   /* = asyncjobd.engine.jobs.recorder.Recorder._note_recorded */
    if
#ifndef RELEASED_ROW_IS_NOT_TAKEN_FOR_DUE
    :: status == queued -> row_due[x] = 1
#endif
#ifndef RELEASED_ROW_IS_NOT_TAKEN_FOR_READY
    :: status == progress ->            /* = asyncjobd.engine.signals.Signals.made_ready */
        rows_ready[x] = 1; announce(false)
#endif
    :: else
    fi
}

inline update(new) {                    /* = function asyncjob.job_updated_by_client */
    if
    :: new == status || status == deleted || IS_ENDED(status) && new == hold
    :: else ->
        wish = new;
        if
        :: owner != NONE ->
            status = new; is_stopped = 1;
#ifdef STOP_CLEARS_THE_OWNER
            owner = NONE; token = 0;
#else
            if
            :: !stop_requested ->
                stop_requested = 1;
                if :: !dead[owner] && !is_deaf[owner] -> must_look[owner] = 1 :: else fi
            :: else
            fi
#endif
        :: owner == NONE && IS_WAITING(new) ->
            if :: status = queued :: status = progress fi;            /* = function asyncjob.waiting_status */
#ifndef CLIENTS_RELEASE_IN_SILENCE
            announce(status == queued)
#endif
        :: owner == NONE && !IS_WAITING(new) -> status = new
        fi
    fi
}

proctype Client() {
    byte i, writes = WRITES;
    mtype new;
    do
    :: writes > 0 ->
        is_locked = 1;
        atomic {                        /* = client/set_job_status.sql */
            writes--; is_locked = 0;
            if :: new = queued :: new = progress :: new = hold :: new = failed
#ifdef DELETES
            :: new = deleted
#endif
            :: new = status             /* rolled back */
            fi;
            if
            :: new == deleted && status != deleted ->                 /* = function asyncjob.job_deleted */
                if :: owner != NONE && !dead[owner] && !is_deaf[owner] -> must_look[owner] = 1 :: else fi;
                status = deleted; wish = deleted; owner = NONE; token = 0; stop_requested = 0; is_stopped = 0
            :: else -> update(new)
            fi;
            new = 0
        }
    :: else -> break
    od
}

proctype Claimer(byte me) provided (!dead[me]) {
    bit got, is_lost;
    do
    :: atomic {                         /* = asyncjobd.engine.jobs.claims.Claims._run */
            rows_ready[me] && runs[me] == 0 && ended[me] == 0 && next_token <= TOKENS ->
            rows_ready[me] = 0; in_flight[me] = next_token; next_token++
       }
send:  atomic {                         /* = jobs/claim_jobs.sql */
            !is_locked ->
            if
            :: status == progress && owner == NONE ->
                assert(NOBODY_RUNS);
                owner = me; token = in_flight[me]; got = 1;
#ifndef CLAIM_KEEPS_THE_STOP
                stop_requested = 0;
#endif
                is_stopped = 0
            :: else
            fi;
#if LOSSES > 0
            if :: losses > 0 -> losses--; got = 0; must_look[me] = 1; goto send :: true fi
#endif
       }
       atomic {                         /* = asyncjobd.engine.jobs.handover.Handover.start */
            if
            :: got ->
                runs[me] = in_flight[me]; begun = begun | (1 << in_flight[me]); got = 0;
                if :: is_endless[me] = 1 :: is_endless[me] = 0 fi
            :: else
            fi;
            in_flight[me] = 0
       }
    od
}

proctype Handler(byte me) provided (!dead[me]) {
    do
    :: atomic {                         /* = asyncjobd.engine.jobs.execution.Execution.perform */
            runs[me] != 0 && !is_endless[me] -> ended[me] = runs[me]; runs[me] = 0
       }
    od
}

proctype Recorder(byte me) provided (!dead[me]) {
    byte i;
    bit is_again;
    do
    :: ended[me] != 0 ->
again: atomic {                         /* = jobs/record_outcomes.sql, = jobs/find_owned_executions.sql */
            if
#ifdef LOCKED_OUTCOME_IS_DROPPED
            :: is_locked -> ended[me] = 0; goto next
#endif
            :: !is_locked && token == ended[me] && owner != NONE ->
                assert(owner == me && runs[me] == 0);
                assert(stop_requested == is_stopped);
                owner = NONE;
                if
#ifndef RECORD_FORGETS_THE_STOP
                :: stop_requested
#endif
                :: else -> assert(!is_stopped); status = completed; wish = completed
                fi
            :: !is_locked && token == ended[me] && owner == NONE
#ifdef EARLIER_RECORD_IS_NOT_FOLLOWED_UP
                -> ended[me] = 0; goto next
#endif
            :: !is_locked && token != ended[me] -> ended[me] = 0; goto next
            fi;
#if LOSSES > 0
            if :: losses > 0 -> losses--; goto again :: true fi
#endif
       }
       atomic {                         /* = asyncjobd.engine.jobs.recorder.Recorder._write */
            follow_up(me); ended[me] = 0
       }
next:  skip
    od
}

proctype Reconciler(byte me) provided (!dead[me]) {
    byte i, claiming, here, seen;
    byte in_doubt;                      /* the token of a claim that was in flight at the last look */
    bit is_asked, is_to_stop;
    do
    :: atomic {                         /* = asyncjobd.engine.jobs.reconciler.Reconciler.run */
            must_look[me] || suspect[me] != 0 || in_doubt != 0 ->
            is_asked = must_look[me]; must_look[me] = 0;
            claiming = in_flight[me]; here = runs[me]
       }
       atomic {                         /* = jobs/list_owned_jobs.sql */
            if :: owner == me -> seen = token; is_to_stop = stop_requested :: else fi
       }
       atomic {                         /* = asyncjobd.engine.jobs.reconciler.Reconciler._reconcile */
            if  /* = asyncjobd.engine.jobs.runner.Runner.stop, = asyncjobd.engine.jobs.runner.Runner.disown */
            :: runs[me] != 0 && (is_to_stop && runs[me] == seen || runs[me] == here && here != seen) ->
                ended[me] = runs[me]; runs[me] = 0; is_endless[me] = 0
            :: else
            fi;
            if
            :: seen == 0 || seen == runs[me] || seen == ended[me] -> suspect[me] = 0; goto done
            :: seen != 0 && seen == claiming -> suspect[me] = 0; goto done
            :: else -> if :: suspect[me] != seen -> suspect[me] = seen; goto done :: else fi
            fi
       }
       atomic {                         /* = jobs/hand_back_jobs.sql */
            if
            :: is_locked -> goto done   /* it stays a suspect */
            :: !is_locked && token == seen && owner != NONE ->
                assert(!((begun >> seen) & 1));
#ifdef HAND_BACK_FORGETS_THE_STOP
                status = progress;
#endif
                assert(!is_stopped || status == wish);
                owner = NONE; token = 0; stop_requested = 0;
                rows_ready[me] = 1; announce(false);
                if :: status == queued -> row_due[me] = 1 :: else fi
            :: else
            fi;
            suspect[me] = 0
       }
done:  atomic {                         /* = asyncjobd.engine.jobs.reconciler.Reconciler.run */
#ifndef LOOK_IS_NOT_REPEATED
            in_doubt = (is_asked || claiming == in_doubt -> claiming : 0);
#endif
            claiming = 0; here = 0; seen = 0; is_asked = 0; is_to_stop = 0
       }
    od
}

proctype Timer(byte me) provided (!dead[me]) {
    byte i;
    do
    :: atomic {                       /* = jobs/promote_jobs.sql, = asyncjobd.engine.jobs.timer.Timer._look */
            row_due[me] && !is_locked ->
            row_due[me] = 0; rows_ready[me] = 1;
            if :: status == queued && owner == NONE -> status = progress; announce(false) :: else fi
       }
    od
}

inline look_again(x) {                  /* = asyncjobd.engine.signals.Signals.look_again */
    rows_ready[x] = 1; row_due[x] = 1; must_look[x] = 1
}

#if DEATHS > 0
proctype Death() {
    atomic {
        dead[0] = 1; is_endless[0] = 0; runs[0] = 0; ended[0] = 0; in_flight[0] = 0; suspect[0] = 0;
        rows_ready[0] = 0; row_due[0] = 0; must_look[0] = 0
    }
    do
    :: atomic {             /* = fleet/rescue_jobs.sql, = asyncjobd.engine.fleet.rescuer.Rescuer._take_back */
            !is_locked && owner == 0 ->
#ifdef RESCUE_FORGETS_THE_STOP
            status = progress;
#else
            if :: stop_requested :: else -> status = progress fi;
#endif
            assert(!is_stopped || status == wish);
            owner = NONE; token = 0; stop_requested = 0;
            look_again(1)
       }
    :: atomic { owner != 0 -> look_again(1); break }                  /* = fleet/delete_daemons.sql */
    od
}
#endif

#if LISTENER_LOSSES > 0
proctype ListenerLoss() {
    byte left = LISTENER_LOSSES;
    do
    :: left > 0 ->
        left--; is_deaf[0] = 1;
        atomic {                        /* = asyncjobd.engine.wakeup.listener.Listener._keep */
            is_deaf[0] = 0;
#ifndef NO_LOOK_ONCE_LISTENING
            if :: !dead[0] -> look_again(0) :: else fi
#endif
        }
    :: else -> break
    od
}
#endif

init {
    byte i;
    atomic {
        for (i : 0 .. D - 1) {
            run Claimer(i); run Handler(i); run Recorder(i); run Reconciler(i); run Timer(i)
        }
        rows_ready[0] = 1;
        run Client();
#if DEATHS > 0
        run Death();
#endif
#if LISTENER_LOSSES > 0
        run ListenerLoss();
#endif
        i = 0
    }
    /* nothing moves any more: stops are acknowledged, the client's status stands, a released row has run */
    timeout -> atomic {
        assert(ALL_ARE_WANTED && (owner == NONE || !NOBODY_RUNS));
        assert(IS_WAITING(wish) || status == wish);
        assert(!IS_WAITING(status) || owner != NONE || next_token > TOKENS)
    }
}
