-- List what a site has added that takes effect in the daemons' or the handlers' statements.
-- These are triggers on the tables (with our own), foreign keys of other tables that keep rows from being
-- deleted, and settings of this database and role that hold in the sessions of handlers.
with ours as (
    select pg_class.oid, pg_class.relname
      from pg_class join pg_namespace on pg_namespace.oid = pg_class.relnamespace
     where pg_namespace.nspname = 'asyncjob'
       and pg_class.relname in ('job', 'execution', 'daemon', 'action', 'migration')
)
select 'trigger' as kind, format('asyncjob.%s.%s', ours.relname, pg_trigger.tgname) as name, null as owner
  from ours join pg_trigger on pg_trigger.tgrelid = ours.oid
 where not pg_trigger.tgisinternal and pg_trigger.tgenabled in ('O', 'A')
 union all
select 'foreign key', quote_ident(pg_constraint.conname), pg_constraint.conrelid::regclass::text
  from ours join pg_constraint on pg_constraint.confrelid = ours.oid
 where pg_constraint.contype = 'f' and pg_constraint.confdeltype in ('a', 'r')
   and pg_constraint.conparentid = 0 and pg_constraint.conrelid not in (select ours.oid from ours)
 union all
select 'setting', setting.text,
       case when pg_db_role_setting.setrole = 0 then 'this database'
            else 'role ' || quote_ident(current_user) end
  from pg_db_role_setting
 cross join unnest(pg_db_role_setting.setconfig) as setting (text)
 where pg_db_role_setting.setdatabase in (0, (select pg_database.oid from pg_database
                                               where pg_database.datname = current_database()))
   and pg_db_role_setting.setrole in (0, current_user::regrole)
   and split_part(setting.text, '=', 1) in (
       'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
       'idle_session_timeout', 'default_transaction_isolation', 'default_transaction_read_only')
