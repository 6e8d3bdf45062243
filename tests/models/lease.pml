/* The lease: a job is run by one execution at a time, and its outcome is written once, whatever is lost.
 *
 * A statement is one step of PostgreSQL; its answer is another step, of the daemon. After "=", a comment
 * names the code that a step stands for. A statement whose answer is lost runs again as it was
 * (Session.run).
 *
 * Time is an assumption: a daemon is silent for its lease only while it is dead, frozen, or cut off and
 * fenced, with its handlers ended; and one that was frozen for its lease notices that before it begins
 * anything. It may still send a claim then. So an execution may be overtaken only where it runs while its
 * daemon is frozen, or where a failover has undone its claim; then nothing that it still writes is accepted.
 *
 * Left out: clients (see stop.pml), notifications (see gate.pml), times, retries and repetitions of jobs,
 * several rows in one statement, handlers with a transaction of their own, handlers that ignore their
 * cancellation, and a daemon that stops. A look of the reconciler or the rescuer that would change
 * nothing is not made.
 *
 * Two daemons and one job; at most TOKENS claims. Faults: LOSSES of answers (or delays of the statement
 * itself), DEATHS, FREEZES, CUTS from the database, and FAILOVERS, which undo the last transactions.
 */
#define D 2
#ifndef TOKENS
#define TOKENS 4
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef FREEZES
#define FREEZES 0
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef FAILOVERS
#define FAILOVERS 0
#endif

#define NONE 7
#define MAX_COUNT 3                     /* executions that count */
#define IN(set, x)   ((set >> (x)) & 1)
#define WITH(set, x) (set | (1 << (x)))
#define LESS(set, x) (set & ~(1 << (x)))

mtype = { waiting, completed, failed };

/* PostgreSQL: the row of the job, and the rows of the daemons */
typedef Row {
    mtype status;
    byte owner;
    byte token;
    byte count;
    bit enrolled[D];
    byte recorded;                      /* tokens: their outcome was accepted (known to this model alone) */
    byte taken_back                     /* tokens: they were taken from their daemon */
};
Row row;
#if FAILOVERS > 0
Row replica;
#endif

/* the daemons */
byte in_flight[D];                      /* the token of a claim whose answer is not here */
byte late[D];                /* the token of a claim that PostgreSQL still runs, though nobody waits for it */
byte runs[D], ended[D];              /* the token of the handler, and of the outcome that is to be recorded */
bit succeeded[D];
byte suspect[D];                        /* the token of a row that nobody here knows */
bit lease_held[D];
bit dead[D], frozen[D], cut[D];
bit has_lapsed[D];                      /* its lease, since its last claim was sent */
bit is_gone[D];         /* the other daemon has judged so, and this one has not renewed its lease since */
#if defined(RESCUE_TRUSTS_THE_JUDGEMENT) || defined(DELETION_TRUSTS_THE_JUDGEMENT)
bit was_gone[D];                        /* the other daemon has judged so */
#else
#define was_gone is_gone
#endif

byte next_token = 1;
byte overtaken;                         /* tokens: another execution may begin beside theirs */
byte losses = LOSSES;

#define ACTS(d)    (!dead[d] && !frozen[d])
#define REACHES(d) (ACTS(d) && !cut[d])
#define SILENT(d)  (dead[d] || frozen[d] || !lease_held[d])
#ifdef LEASE_IS_NOT_ASKED_FOR
#define HOLDS_LEASE(d) true
#else
#define HOLDS_LEASE(d) lease_held[d]
#endif
#ifdef CLAIMS_ARE_SENT_WITH_A_LEASE    /* else the lease may have ended since the claimer asked for it */
#define MAY_SEND(d) lease_held[d]
#else
#define MAY_SEND(d) true
#endif
#define IS_READY   (row.status == waiting && row.owner == NONE)
#define MAY_RUN_BESIDE(d) (runs[d] == 0 || IN(overtaken, runs[d]))

inline fence(d) {                       /* = asyncjobd.engine.jobs.runner.Runner.stop_all */
    lease_held[d] = 0;
#ifndef FENCED_HANDLERS_GO_ON
    if :: runs[d] != 0 -> ended[d] = runs[d]; succeeded[d] = 0; runs[d] = 0 :: else fi
#endif
}

inline die(d) {                         /* = asyncjobd.engine.daemon.Daemon.run */
    frozen[d] = 0; cut[d] = 0; in_flight[d] = 0; runs[d] = 0; ended[d] = 0; succeeded[d] = 0;
    suspect[d] = 0; lease_held[d] = 0;
    dead[d] = 1                         /* the last: no process of the daemon goes on after it */
}

inline claim(d, new) {                  /* = jobs/claim_jobs.sql */
    if
    :: IS_READY ->
        assert(MAY_RUN_BESIDE(0) && MAY_RUN_BESIDE(1));
        row.owner = d; row.token = new; row.count++; got = 1;
#if LOSSES + CUTS > 0                   /* the statement may have run before */
        row.recorded = LESS(row.recorded, new); row.taken_back = LESS(row.taken_back, new)
#endif
    :: else -> got = 0
    fi
}

proctype Claimer(byte me) provided (!dead[me]) {
    byte token;
    bit got, is_lost;
    do
    :: atomic {                         /* = asyncjobd.engine.jobs.claims.Claims._run */
            !frozen[me] && MAY_SEND(me) && IS_READY && next_token <= TOKENS && runs[me] == 0 ->
#ifdef TOKEN_OF_THE_DAEMON
            token = me + 1; next_token++;
#else
            token = next_token; next_token++;
#endif
            in_flight[me] = token; has_lapsed[me] = 0
       }
send:
       if                               /* = jobs/claim_jobs.sql */
       :: atomic { REACHES(me) -> claim(me, token) }
#if LOSSES > 0
       :: atomic { REACHES(me) && losses > 0 -> losses--; is_lost = 1; claim(me, token) }
       :: atomic { REACHES(me) && losses > 0 -> losses--; is_lost = 1; late[me] = token }
#endif
       fi;
       if
       :: atomic {      /* = asyncjobd.engine.jobs.handover.Handover._is_ours, which may wait for the lease */
            REACHES(me) && !is_lost ->
            in_flight[me] = 0;
            if                          /* = asyncjobd.engine.lease.Lease.has_lasted */
#ifdef CLAIM_OF_A_LOST_LEASE_STARTS
            :: got && HOLDS_LEASE(me) ->
#else
            :: got && HOLDS_LEASE(me) && !has_lapsed[me] ->
#endif
                runs[me] = token; got = 0;      /* = asyncjobd.engine.jobs.handover.Handover.start */
                assert(MAY_RUN_BESIDE(1 - me) || IN(overtaken, token))
            :: else -> got = 0
            fi;
            token = 0
          }
       :: atomic {                      /* = asyncjobd.postgres.session.Session.run */
            ACTS(me) && (is_lost || cut[me]) -> is_lost = 0; got = 0; goto send
          }
       fi
    od
}

#if LOSSES > 0
proctype Late(byte me) {                /* PostgreSQL runs a claim whose session has ended */
    bit got;
    do                                  /* = jobs/claim_jobs.sql */
    :: atomic { late[me] != 0 -> if :: claim(me, late[me]) :: true fi; late[me] = 0; got = 0 }
    od
}
#endif

proctype Handler(byte me) provided (!dead[me]) {
    do
    :: atomic {                         /* = asyncjobd.engine.jobs.execution.Execution.perform */
            !frozen[me] && runs[me] != 0 && ended[me] == 0 ->
            ended[me] = runs[me]; succeeded[me] = 1; runs[me] = 0
       }
    od
}

proctype Recorder(byte me) provided (!dead[me]) {
    bit is_lost;
    do
    :: atomic {                         /* = jobs/record_outcomes.sql */
            REACHES(me) && ended[me] != 0 ->
            if
#ifdef RECORD_WITHOUT_A_TOKEN
            :: row.owner == me ->
#else
            :: row.token == ended[me] && row.owner != NONE ->
#endif
                assert(row.owner == me);
                assert(!IN(row.recorded, ended[me]) && !IN(row.taken_back, ended[me]));
                row.recorded = WITH(row.recorded, ended[me]);
                row.owner = NONE;
                if :: succeeded[me] -> row.status = completed :: else -> row.count-- fi
#ifdef RECORD_CLEARS_THE_TOKEN
                ; row.token = 0
#endif
            :: row.token == ended[me] && row.owner == NONE ->         /* an earlier try has written it */
                assert(IN(row.recorded, ended[me]))
            :: else ->                  /* it is dropped */
                assert(!IN(row.recorded, ended[me]) || row.status == waiting || row.token != 0)
            fi;
#if LOSSES > 0
            if :: losses > 0 -> losses--; is_lost = 1 :: true fi
#endif
       }
       atomic {                         /* = asyncjobd.engine.jobs.recorder.Recorder._write */
            ACTS(me) ->
            if
            :: is_lost || cut[me]
            :: else -> ended[me] = 0; succeeded[me] = 0
            fi;
            is_lost = 0
       }
    od
}

#define IS_KNOWN(d, t, claiming) (t == runs[d] || t == ended[d] || t == claiming)
#define IS_OWNED_UNKNOWN(d) (row.owner == d && !IS_KNOWN(d, row.token, NONE))
#define IS_DISOWNED(d) (runs[d] != 0 && (row.owner != d || row.token != runs[d]))
#ifdef CLAIM_IN_FLIGHT_IS_UNKNOWN
#define CLAIMING(d) 0
#else
#define CLAIMING(d) in_flight[d]
#endif

proctype Reconciler(byte me) provided (!dead[me]) {
    byte claiming, here, seen;
    do
#ifndef NO_RECONCILER
    :: atomic {     /* = asyncjobd.engine.jobs.reconciler.Reconciler._reconcile, = jobs/list_owned_jobs.sql */
            REACHES(me) && (IS_OWNED_UNKNOWN(me) || IS_DISOWNED(me)) ->
            if
            :: claiming = CLAIMING(me)
            :: suspect[me] != row.token -> claiming = 0         /* this claim was sent after the look began */
            fi;
            here = runs[me];
            seen = (row.owner == me -> row.token : 0)
       }
       atomic {                         /* = asyncjobd.engine.jobs.runner.Runner.disown */
            ACTS(me) ->
            if
            :: here != 0 && here != seen && runs[me] == here ->
                ended[me] = here; succeeded[me] = 0; runs[me] = 0
            :: else
            fi;
            if
            :: seen == 0 || IS_KNOWN(me, seen, claiming) -> suspect[me] = 0; goto done
#ifndef SUSPECTS_ARE_HANDED_BACK_AT_ONCE
            :: seen != 0 && !IS_KNOWN(me, seen, claiming) && suspect[me] != seen ->
                suspect[me] = seen; goto done
#endif
            :: else
            fi
       }
       atomic {                         /* = jobs/hand_back_jobs.sql */
            ACTS(me) ->
            if
            :: !cut[me] && row.owner != NONE && row.token == seen ->
                assert(runs[me] != seen);
                row.owner = NONE; row.token = 0; row.count--
            :: else
            fi;
            suspect[me] = 0
       }
done:  atomic {                         /* = asyncjobd.engine.jobs.reconciler.Reconciler.run */
            claiming = 0; here = 0; seen = 0
       }
#else
    :: false
#endif
    od
}

inline renew(d) {                       /* = asyncjobd.engine.lease.Lease.renew */
#ifdef LAPSE_IS_JUDGED_BY_THE_SENDING
    if :: !lease_held[d] && !is_sent -> has_lapsed[d] = 1 :: else fi;
    is_sent = 0;
#else
    if :: !lease_held[d] -> has_lapsed[d] = 1 :: else fi;
#endif
    lease_held[d] = 1                   /* = asyncjobd.engine.fleet.heartbeat.Heartbeat._hold */
}

proctype Heartbeat(byte me) provided (!dead[me]) {
#ifdef LAPSE_IS_JUDGED_BY_THE_SENDING
    bit is_sent;                        /* a renewal, while the lease lasted; it is tried until it succeeds */
#endif
    do
#ifdef LAPSE_IS_JUDGED_BY_THE_SENDING
    :: atomic {                         /* = asyncjobd.engine.fleet.heartbeat.Heartbeat._renew */
            !frozen[me] && lease_held[me] && !is_sent -> is_sent = 1
       }
#endif
    :: atomic {             /* = fleet/renew_lease.sql, = asyncjobd.engine.fleet.heartbeat.Heartbeat._renew */
            REACHES(me) && (!lease_held[me] || !row.enrolled[me] || is_gone[me]) ->
            is_gone[me] = 0;            /* the heartbeat is another one */
#ifdef WRITTEN_OFF_DAEMON_GOES_ON
            renew(me)
#else
            if
            :: row.enrolled[me] -> renew(me)
            :: else -> die(me)          /* = asyncjobd.engine.fleet.heartbeat.WrittenOff */
            fi
#endif
       }
    :: atomic {                         /* = asyncjobd.engine.fleet.heartbeat.Heartbeat._fence */
            !frozen[me] && cut[me] && lease_held[me] -> fence(me)
       }
    od
}

inline take_back(d) {                   /* = fleet/rescue_jobs.sql */
    row.taken_back = WITH(row.taken_back, row.token);
    row.owner = NONE;
#ifndef RESCUE_KEEPS_THE_TOKEN
    row.token = 0;
#endif
    if :: row.count >= MAX_COUNT -> row.status = failed :: else fi
}

proctype Rescuer(byte me) provided (!dead[1 - me]) {      /* it runs in the other daemon */
    do
    :: atomic {                         /* = asyncjobd.engine.fleet.rescuer.Rescuer._find_gone */
            REACHES(1 - me) && row.enrolled[me] && SILENT(me) && !is_gone[me] ->
            is_gone[me] = 1; was_gone[me] = 1
       }
    :: atomic {                         /* = fleet/rescue_jobs.sql, the heartbeat is unchanged */
#ifdef RESCUE_TRUSTS_THE_JUDGEMENT
            REACHES(1 - me) && was_gone[me] && row.owner == me -> take_back(me)
#else
            REACHES(1 - me) && is_gone[me] && row.owner == me -> take_back(me)
#endif
       }
    :: atomic {                         /* = fleet/delete_daemons.sql, the heartbeat is unchanged */
#ifdef DELETION_TRUSTS_THE_JUDGEMENT
            REACHES(1 - me) && was_gone[me] && row.owner != me ->
#else
            REACHES(1 - me) && is_gone[me] && row.owner != me ->
#endif
            row.enrolled[me] = 0; is_gone[me] = 0; was_gone[me] = 0
       }
#ifndef ORPHANS_ARE_LEFT
    :: atomic {                         /* = fleet/rescue_jobs.sql, of a daemon that has no row */
            REACHES(1 - me) && !row.enrolled[me] && row.owner == me -> take_back(me)
       }
#endif
    od
}

/* ---------------------------------------------------------------- faults */

#if DEATHS > 0
proctype Death() {
    byte me, left = DEATHS;
    do
    :: left > 0 -> left--; select(me : 0 .. D - 1); atomic { !dead[me] && !dead[1 - me] -> die(me) }
    :: else -> break
    od
}
#endif

#if FREEZES > 0
proctype Freeze() {
    byte me, left = FREEZES;
    do
    :: left > 0 ->
        left--; select(me : 0 .. D - 1);
        atomic {
            ACTS(me) -> frozen[me] = 1;
            overtaken = WITH(overtaken, runs[me])
        }
        atomic { frozen[me] = 0; if :: is_gone[me] || !row.enrolled[me] -> lease_held[me] = 0 :: else fi }
    :: else -> break
    od
}
#endif

#if CUTS > 0
proctype Cut() {
    byte me, left = CUTS;
    do
    :: left > 0 -> left--; select(me : 0 .. D - 1); cut[me] = 1; cut[me] = 0
    :: else -> break
    od
}
#endif

#if FAILOVERS > 0
inline copy(from, to) {
    to.status = from.status; to.owner = from.owner; to.token = from.token; to.count = from.count;
    to.enrolled[0] = from.enrolled[0]; to.enrolled[1] = from.enrolled[1];
    to.recorded = from.recorded; to.taken_back = from.taken_back
}

proctype Failover() {
    byte sequence;
    d_step { copy(row, replica); sequence = next_token }
    d_step {
        copy(replica, row);
#ifdef TOKENS_OF_A_SEQUENCE
        next_token = sequence;
#endif
        overtaken = WITH(WITH(overtaken, runs[0]), in_flight[0]);
        overtaken = WITH(WITH(overtaken, runs[1]), in_flight[1])
    }
}
#endif

init {
    atomic {
        row.status = waiting; row.owner = NONE; row.enrolled[0] = 1; row.enrolled[1] = 1;
        lease_held[0] = 1; lease_held[1] = 1;
        run Claimer(0); run Handler(0); run Recorder(0); run Reconciler(0); run Heartbeat(0); run Rescuer(0);
        run Claimer(1); run Handler(1); run Recorder(1); run Reconciler(1); run Heartbeat(1); run Rescuer(1);
#if LOSSES > 0
        run Late(0); run Late(1);
#endif
#if DEATHS > 0
        run Death();
#endif
#if FREEZES > 0
        run Freeze();
#endif
#if CUTS > 0
        run Cut();
#endif
#if FAILOVERS > 0
        run Failover();
#endif
    }
    /* nothing moves any more: the job has ended, unless this model has run out of tokens, or of daemons */
    timeout -> assert(row.owner == NONE && (row.status != waiting || next_token > TOKENS)
                      || dead[0] && dead[1])
}
