-- What a daemon needs and this role may not do.
with needed (relname, privileges) as (
    values ('job', array['select', 'insert', 'update', 'delete']), ('execution', array['select', 'insert', 'delete']),
           ('daemon', array['select', 'insert', 'update', 'delete']), ('action', array['select', 'insert', 'update']),
           ('migration', array['select'])
)
select 'schema asyncjob' as object, array['usage'] as missing, current_user as role
  from pg_namespace where pg_namespace.nspname = 'asyncjob' and not has_schema_privilege(pg_namespace.oid, 'usage')
 union all
select 'asyncjob.' || needed.relname, array_agg(privilege.name), current_user
  from needed
 cross join unnest(needed.privileges) as privilege (name)
  join pg_class on pg_class.relname = needed.relname
 where pg_class.relnamespace = (select pg_namespace.oid from pg_namespace where pg_namespace.nspname = 'asyncjob')
   and not has_table_privilege(pg_class.oid, privilege.name)
 group by needed.relname
