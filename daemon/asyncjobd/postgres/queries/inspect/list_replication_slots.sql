-- List the replication slots, with the bytes of WAL that the server keeps for each.
select slot.slot_name as name, slot.active as is_active,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                            else pg_current_wal_lsn() end, slot.restart_lsn)::float8 as bytes
  from pg_replication_slots as slot where slot.restart_lsn is not null
 order by slot.slot_name
