/* The notify gate: no daemon sleeps while a row that it could run is ready.
 *
 * A process of this model is a coroutine of a daemon, or a client's session. An atomic step is what
 * asyncio does without an await, or PostgreSQL in one step, or both where nothing could come between them
 * that matters. After "=", a comment names the code that a step stands for.
 *
 * PostgreSQL commits in three steps: the row becomes visible, then the locks are released, then the
 * listeners get the notifications. A try to lock fails where the lock conflicts with one that is held, or
 * that somebody waits for.
 *
 * Left out: the looks of Fallback, each 30 s, those of a rescuer, a lease after a death, and the
 * notification 'open', as nothing here may depend on them; other job names, and the lanes and cursors
 * within one; rows that clients have locked, which the claimer tries again by itself; a full queue of
 * notifications, and poolers, where daemons poll. A wait that would end without any effect does not end
 * here. A notification arrives at once: later it would only help more.
 *
 * D daemons; C clients, each with ROUNDS transactions; DUE rows, two at most, that one daemon knows of,
 * and makes ready. With SLOTS a daemon runs one job, which never ends, else any number. Transactions are
 * rolled back, or stay open for ever, where there are several clients. The faults are a daemon's death
 * (DEATHS), ends of gate sessions (GATE_LOSSES) and of listeners (LISTENER_LOSSES), STRANGERS who have
 * the lock for a while, and FORGERIES of notifications.
 */
#ifndef D
#define D 1
#endif
#ifndef C
#define C 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DUE
#define DUE 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef GATE_LOSSES
#define GATE_LOSSES 0
#endif
#ifndef LISTENER_LOSSES
#define LISTENER_LOSSES 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef FORGERIES
#define FORGERIES 0
#endif

#define ROWS (C + DUE)
#define NONE 7
#define STRANGER 6                      /* who may have the lock, beside daemons */
#define IN(set, x)   ((set >> (x)) & 1)
#define WITH(set, x) (set | (1 << (x)))
#define LESS(set, x) (set & ~(1 << (x)))
#define IS_ANY_READY (row[0] == ready || row[ROWS - 1] == ready || row[ROWS / 2] == ready)
#define IS_FREE (exclusive == NONE && shared == 0)
#ifdef SLOTS
#define IS_FULL(x) busy[x]
#else
#define IS_FULL(x) false
#endif
#define COULD_RUN(x) (!dead[x] && !IS_FULL(x))
#if D == 1
#define SOMEBODY_COULD_RUN COULD_RUN(0)
#elif D == 2
#define SOMEBODY_COULD_RUN (COULD_RUN(0) || COULD_RUN(1))
#else
#define SOMEBODY_COULD_RUN (COULD_RUN(0) || COULD_RUN(1) || COULD_RUN(2))
#endif

mtype = { absent, queued, inserted, ready, claimed };
mtype = { nobody, client, daemon };

/* PostgreSQL */
mtype row[ROWS] = absent;
byte exclusive = NONE;                  /* who has the advisory lock exclusively */
byte shared;                            /* the clients that share it */
byte waiting;                           /* the daemons that wait for it */

/* the daemons */
bit rows_ready[D], gate_changed[D], hold_wanted[D], announced[D];       /* signals */
bit is_held[D], is_flooded[D];
bit busy[D];                            /* its one slot is taken, and stays so */
bit is_lost[D];                         /* the gate's session has ended, and the daemon has not noticed it */
bit is_deaf[D];                         /* the listener's session has ended */
bit dead[D];

inline wake(x) { rows_ready[x] = !IS_FULL(x) }          /* = asyncjobd.engine.signals.RowsReady.add */

inline notify() {                     /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate.note_notification */
    for (i : 0 .. D - 1) {
        if
        :: dead[i] || is_deaf[i]
        :: else -> wake(i);
            if :: is_held[i] -> is_flooded[i] = 1; gate_changed[i] = 1 :: true fi
        fi
    }
    i = 0
}

inline release(x) {                     /* = wakeup/unlock_gates.sql */
    if :: exclusive == x -> exclusive = NONE :: else fi;
    waiting = LESS(waiting, x)
}

inline note_released(x) {               /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._note_released */
    is_held[x] = 0;
#ifndef NO_LOOK_ONCE_RELEASED
    wake(x)
#else
    skip
#endif
}

proctype Client(byte me) {
    byte i, rounds = ROUNDS;
    bit notifies;
#ifdef ANNOUNCED_FOR_THE_SESSION
    bit is_announced;
#else
#define is_announced false
#endif
    do
    :: atomic {                         /* = function asyncjob.is_open, = function asyncjob.announce */
            rounds > 0 && (row[me] == absent || row[me] == claimed) ->
            rounds--;
            row[me] = inserted;
            if
            :: is_announced
            :: exclusive == NONE && waiting == 0 && !is_announced ->
#ifdef LOCK_ENDS_WITH_THE_STATEMENT
                skip
#else
                shared = WITH(shared, me)
#endif
            :: else ->
                notifies = 1;
#ifdef ANNOUNCED_FOR_THE_SESSION
                is_announced = 1;
#endif
#ifdef NOTIFIED_BEFORE_THE_COMMIT
                notify(); notifies = 0
#endif
            fi;
#if C > 1
            if :: true :: true -> break fi            /* it may stay open for ever */
#endif
       }
       if                               /* it commits: = trigger zz_job_inserted */
#ifdef UNLOCKED_BEFORE_VISIBLE
       :: shared = LESS(shared, me); row[me] = ready
#else
       :: row[me] = ready; shared = LESS(shared, me)
#endif
#if C > 1
       :: atomic { row[me] = absent; shared = LESS(shared, me); notifies = 0 }         /* rolled back */
#endif
       fi;
       if                               /* = function asyncjob.notify */
       :: atomic { notifies -> notifies = 0; notify() }
       :: else
       fi
    :: rounds == 0 -> break
    od
}

proctype Claimer(byte me) provided (!dead[me]) {
    byte i;
    bit has_found;
look:
    atomic {                /* = asyncjobd.engine.jobs.claimer.Claimer._take_signals, = jobs/claim_jobs.sql */
        !IS_FULL(me) ->
#ifndef SIGNALS_TAKEN_AFTER_THE_CLAIM
        rows_ready[me] = 0;
#endif
        for (i : 0 .. ROWS - 1) {
#ifdef SLOTS
            if :: row[i] == ready && !has_found -> row[i] = claimed; has_found = 1 :: else fi
#else
            if :: row[i] == ready -> row[i] = claimed :: else fi
#endif
        }
        i = 0;
#if !defined(SLOTS) && !defined(SIGNALS_TAKEN_AFTER_THE_CLAIM)
        goto rest
#endif
    }
    atomic {                            /* = asyncjobd.engine.jobs.handover.Handover.start */
#ifdef SIGNALS_TAKEN_AFTER_THE_CLAIM
        rows_ready[me] = 0;
#endif
        if
        :: has_found ->
            has_found = 0; busy[me] = 1; rows_ready[me] = 0;
            goto look
        :: else
        fi
    }
rest:
    if                                  /* = asyncjobd.engine.jobs.claimer.Claimer._rest */
    :: atomic { is_held[me] -> goto asleep }
    :: else
    fi;
    do                               /* it polls at its pace: = asyncjobd.engine.jobs.claimer.Claimer._rest */
    :: atomic { rows_ready[me] || is_held[me] || IS_ANY_READY -> goto look }
    :: atomic {                         /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate.hold */
            !is_held[me] && !hold_wanted[me] -> hold_wanted[me] = 1
       }
    od;
asleep:
    atomic { rows_ready[me] -> goto look }                            /* = asyncjobd.engine.wake.Wake.wait */
}

#if DUE > 0
proctype Timer(byte me) provided (!dead[me]) {
    byte i;
    do
    :: atomic {                         /* = jobs/promote_jobs.sql */
            if :: row[C] == queued -> row[C] = ready :: row[ROWS - 1] == queued -> row[ROWS - 1] = ready fi
       }
       atomic {                         /* = asyncjobd.engine.jobs.timer.Timer._promote */
            wake(me);
#ifdef PROMOTIONS_ARE_COMPARED_WITH_ROOM
            if :: IS_FULL(me) -> announced[me] = 1 :: else fi
#elif defined(FULL_DAEMON_PROMOTES_IN_SILENCE)
            if :: !IS_FULL(me) -> announced[me] = 1 :: else fi
#else
            announced[me] = 1
#endif
       }
    :: atomic {                         /* = asyncjobd.engine.wakeup.announcer.Announcer.run */
            announced[me] -> announced[me] = 0; notify()
       }
    od
}
#endif

proctype Gate(byte me) provided (!dead[me]) {
    mtype missing = nobody;             /* who has the lock in this daemon's place */
idle:
    atomic {                            /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate.run */
        hold_wanted[me] ->
        hold_wanted[me] = 0; is_lost[me] = 0; is_flooded[me] = 0; gate_changed[me] = 0;
#ifdef LOOK_BEFORE_THE_LOCK
        is_held[me] = 1; wake(me)
#endif
    }
take:
    atomic {                            /* = wakeup/lock_gates.sql */
        missing = nobody;
        if
        :: is_lost[me] -> goto failed
        :: !is_lost[me] && (exclusive == me || IS_FREE && waiting == 0) -> exclusive = me; goto held
        :: else
        fi
    }
    missing = (exclusive != NONE -> daemon : client);                 /* it reads pg_locks a moment later */
held:
    atomic {                            /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._keep_held */
        if :: is_flooded[me] -> goto opening :: else fi;
#ifndef LOOK_BEFORE_THE_LOCK
        is_held[me] = 1;
#ifndef NO_LOOK_ONCE_HELD
        wake(me);
#endif
#endif
#ifdef CLIENTS_ARE_NOT_WAITED_FOR
        if :: missing == client -> missing = nobody :: else fi;
#endif
        if :: missing == client :: else -> goto sleep fi
    }
    if                                  /* = wakeup/wait_for_gate.sql */
    :: atomic { !is_lost[me] -> waiting = WITH(waiting, me) }
    :: is_lost[me] -> goto failed
    fi;
    if                                /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._wait_for_clients */
    :: atomic {
            IS_FREE && IN(waiting, me) ->
            waiting = LESS(waiting, me); exclusive = me; missing = nobody; goto held
       }
    :: atomic { !IS_FREE && IN(waiting, me) -> waiting = LESS(waiting, me); goto again }    /* lock_timeout */
    :: is_lost[me] -> goto failed
    fi;
sleep:
    if                                  /* = asyncjobd.engine.wake.Wake.wait */
    :: gate_changed[me]
#ifndef HOLDER_IS_TRUSTED
    :: missing != nobody && (exclusive == NONE || IS_ANY_READY && COULD_RUN(me))      /* after OTHERS_RETRY */
#endif
    fi;
again:
    atomic {                            /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._must_open */
        gate_changed[me] = 0;
        if
        :: is_lost[me] -> goto failed
        :: !is_lost[me] && missing != nobody && !is_flooded[me] -> goto take
        :: else -> goto held
        fi
    }
opening:
    atomic {                            /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._keep_held */
        missing = nobody; hold_wanted[me] = 0; note_released(me)
    }
    atomic {                            /* = wakeup/unlock_gates.sql */
        if :: is_lost[me] -> goto failed :: else -> release(me); goto idle fi
    }
failed:
    atomic {                            /* = asyncjobd.postgres.session.Session.failed */
        missing = nobody; note_released(me); goto idle
    }
}

/* ---------------------------------------------------------------- faults */

#if DEATHS > 0
proctype Death() {
    atomic {
        dead[0] = 1; is_held[0] = 0; is_flooded[0] = 0;
        rows_ready[0] = 0; gate_changed[0] = 0; hold_wanted[0] = 0
    }
    atomic { release(0) }               /* PostgreSQL notices that the session has ended */
}
#endif

#if GATE_LOSSES > 0
proctype GateLoss() {
    byte me, left = GATE_LOSSES;
    do
    :: left > 0 ->
        left--;
        select(me : 0 .. D - 1);
        atomic { !dead[me] && !is_lost[me] -> release(me); is_lost[me] = 1 }
        atomic {                        /* = asyncjobd.engine.wakeup.notify_gate.NotifyGate._note_lost */
            if
#ifndef NO_LOOK_ONCE_LOST
            :: !dead[me] && is_lost[me] -> note_released(me); gate_changed[me] = 1
#endif
            :: else
            fi
        }
    :: else -> break
    od
}
#endif

#if LISTENER_LOSSES > 0
proctype ListenerLoss() {
    byte me, left = LISTENER_LOSSES;
    do
    :: left > 0 ->
        left--;
        select(me : 0 .. D - 1);
        is_deaf[me] = 1;
        atomic {                        /* = asyncjobd.engine.wakeup.listener.Listener._keep */
            is_deaf[me] = 0;
#ifndef NO_LOOK_ONCE_LISTENING
            if :: !dead[me] -> gate_changed[me] = 1; wake(me) :: else fi
#endif
        }
    :: else -> break
    od
}
#endif

#if STRANGERS > 0
proctype Stranger() {
    byte left = STRANGERS;
    do
    :: left > 0 ->
        left--;
        atomic { IS_FREE && waiting == 0 -> exclusive = STRANGER }
        exclusive = NONE
    :: else -> break
    od
}
#endif

#if FORGERIES > 0
proctype Forger() {
    byte i, left = FORGERIES;
    do
    :: atomic { left > 0 -> left--; notify() }
    :: else -> break
    od
}
#endif

init {
    byte i;
    atomic {
        for (i : 0 .. D - 1) {
            run Claimer(i); run Gate(i);
        }
        for (i : 0 .. C - 1) { run Client(i) }
#if DUE > 0
        run Timer(0);
        row[C] = queued; row[ROWS - 1] = queued;
#endif
#if DEATHS > 0
        run Death();
#endif
#if GATE_LOSSES > 0
        run GateLoss();
#endif
#if LISTENER_LOSSES > 0
        run ListenerLoss();
#endif
#if STRANGERS > 0
        run Stranger();
#endif
#if FORGERIES > 0
        run Forger();
#endif
        i = 0
    }
#ifndef LIVENESS
    timeout -> assert(!IS_ANY_READY || !SOMEBODY_COULD_RUN)           /* nothing moves any more */
#endif
}

#ifdef LIVENESS
ltl every_row_is_claimed { [] ((row[0] == ready) -> <> (row[0] != ready)) }
#endif
