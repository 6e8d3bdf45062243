-- List the policies and rules on the tables, which make statements see or write fewer rows without an error.
-- `is_active`: it holds for this session's role.
with ours as (
    select pg_class.oid, pg_class.relname, pg_class.relrowsecurity
      from pg_class join pg_namespace on pg_namespace.oid = pg_class.relnamespace
     where pg_namespace.nspname = 'asyncjob'
       and pg_class.relname in ('job', 'execution', 'daemon', 'action', 'migration')
)
select 'asyncjob.' || ours.relname as name, null as rule, row_security_active(ours.oid) as is_active,
       quote_ident(current_user) as role
  from ours where ours.relrowsecurity
 union all
select 'asyncjob.' || ours.relname, quote_ident(pg_rewrite.rulename), true, quote_ident(current_user)
  from ours join pg_rewrite on pg_rewrite.ev_class = ours.oid
 where pg_rewrite.is_instead and pg_rewrite.ev_enabled in ('O', 'A')
