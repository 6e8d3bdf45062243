-- List the roles that the schema is for, and this session's role, whose rights say what it is.
-- `purpose`: null where it has none. `giver`: the role that would give it a client's rights; null where it
-- has them. No rows where there is no schema.
with ours as (
    select pg_class.oid, pg_class.relname
      from pg_class join pg_namespace on pg_namespace.oid = pg_class.relnamespace
     where pg_namespace.nspname = 'asyncjob' and pg_class.relname in ('job', 'daemon')
),
wanted (role, purpose) as (
    select wanted.role, wanted.purpose
      from (values ('asyncjob_producer', 'producer'), ('asyncjob_reader', 'reader'),
                   ('asyncjob_operator', 'operator')) as wanted (role, purpose)
     where exists (select from ours)
),
own (purpose) as (
    select case
           when bool_or(ours.relname = 'daemon' and has_table_privilege(ours.oid, 'insert')) then 'daemon'
           when bool_or(ours.relname = 'job' and has_table_privilege(ours.oid, 'insert')) then 'producer'
           when bool_or(ours.relname = 'daemon' and has_any_column_privilege(ours.oid, 'update'))
           then 'operator'
           when bool_or(ours.relname = 'job' and has_table_privilege(ours.oid, 'select')) then 'reader' end
      from ours having count(*) > 0
)
select wanted.role, wanted.role as name, wanted.purpose, null as giver, false as is_own,
       exists (select from pg_roles where pg_roles.rolname = wanted.role) as is_there
  from wanted
 union all
select current_user, quote_ident(current_user), own.purpose,
       (select wanted.role from wanted left join pg_roles on pg_roles.rolname = wanted.role
         where wanted.purpose = coalesce(own.purpose, 'producer')
           and pg_has_role(pg_roles.oid, 'usage') is not true),
       true, true
  from own
