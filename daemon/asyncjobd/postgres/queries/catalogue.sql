-- The objects of the schema, each with what it must be, in the same words on PostgreSQL 14 to 18. What a site tunes is
-- left out (storage parameters, owners, rights), and an index behind a constraint, which is the constraint's.
-- For an empty search_path, so that names are written in full.
with ours as (
    select pg_class.oid, relname, relkind, relpersistence
      from pg_class where relnamespace = (select oid from pg_namespace where nspname = 'asyncjob') and relkind in ('r', 'p')
),
object (kind, name, definition) as (
    select 'table', format('asyncjob.%s', relname),
           case relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end
      from ours
    union all
    select 'column', format('asyncjob.%s.%s', relname, attname),
           format_type(atttypid, atttypmod)
           || case when attnotnull then ' not null' else '' end
           || case attidentity when 'a' then ' identity always' when 'd' then ' identity by default' else '' end
           || coalesce(case attgenerated when '' then ' default ' else ' generated ' end
                       || (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = attrelid and adnum = attnum), '')
      from ours join pg_attribute on attrelid = ours.oid
     where attnum > 0 and not attisdropped
    union all
    select 'constraint', format('asyncjob.%s.%s', relname, conname), pg_get_constraintdef(pg_constraint.oid)
      from ours join pg_constraint on conrelid = ours.oid
     where contype <> 'n'      -- from 18 on; the column says it
    union all
    select 'index', format('asyncjob.%s', index.relname),
           pg_get_indexdef(indexrelid) || case when indisvalid then '' else ' (invalid: it was not built to its end)' end
      from ours join pg_index on indrelid = ours.oid
      join pg_class as index on index.oid = indexrelid
     where not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
    union all
    select 'trigger', format('asyncjob.%s.%s', relname, tgname),
           case tgenabled when 'O' then '' when 'D' then '(disabled) ' when 'R' then '(on replicas only) ' else '(always) ' end
           || pg_get_triggerdef(pg_trigger.oid)
      from ours join pg_trigger on tgrelid = ours.oid
     where not tgisinternal
    union all
    select 'function', format('asyncjob.%s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)),
           format('returns %s language %s', pg_get_function_result(pg_proc.oid), lanname)
           || case provolatile when 'i' then ' immutable' when 's' then ' stable' else '' end
           || case when prosecdef then ' security definer' else '' end
           || coalesce(' set ' || array_to_string(proconfig, ', '), '')
           || ' source ' || left(encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'), 16)
      from pg_proc join pg_language on pg_language.oid = prolang
     where pronamespace = (select oid from pg_namespace where nspname = 'asyncjob')
    union all
    select 'type', format('asyncjob.%s', typname), string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)
      from pg_type join pg_enum on enumtypid = pg_type.oid
     where typnamespace = (select oid from pg_namespace where nspname = 'asyncjob')
     group by typname
)
select kind || ' ' || name as name, definition from object order by kind || ' ' || name collate "C"
