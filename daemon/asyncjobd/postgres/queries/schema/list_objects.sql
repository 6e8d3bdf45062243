-- List the objects of the schema, each with its definition, in the same words on PostgreSQL 14 to 18.
-- Left out are what a site tunes (storage parameters, owners, rights), and the index behind a constraint,
-- which the constraint stands for. It needs an empty search_path, so that names are written in full.
with ours as (
    select pg_class.oid, pg_class.relname, pg_class.relpersistence
      from pg_class
     where pg_class.relnamespace = (select pg_namespace.oid from pg_namespace
                                     where pg_namespace.nspname = 'asyncjob')
       and pg_class.relkind in ('r', 'p')
),
object (kind, name, definition) as (
    select 'table', format('asyncjob.%s', ours.relname),
           case ours.relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end
      from ours
    union all
    select 'view', format('asyncjob.%s', view.relname),
           ltrim(regexp_replace(pg_get_viewdef(view.oid), '\s+', ' ', 'g'))
      from pg_class as view
     where view.relnamespace = (select pg_namespace.oid from pg_namespace
                                 where pg_namespace.nspname = 'asyncjob')
       and view.relkind = 'v'
    union all
    select 'column', format('asyncjob.%s.%s', ours.relname, attribute.attname),
           format_type(attribute.atttypid, attribute.atttypmod)
           || coalesce((select format(' collate %I', pg_collation.collname) from pg_collation
                         where pg_collation.oid = attribute.attcollation
                           and pg_collation.collname <> 'default'), '')
           || case when attribute.attnotnull then ' not null' else '' end
           || case attribute.attidentity when 'a' then ' identity always'
                                         when 'd' then ' identity by default' else '' end
           || coalesce(case attribute.attgenerated when '' then ' default ' else ' generated ' end
                       || (select pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid) from pg_attrdef
                            where pg_attrdef.adrelid = attribute.attrelid
                              and pg_attrdef.adnum = attribute.attnum), '')
      from ours join pg_attribute as attribute on attribute.attrelid = ours.oid
     where attribute.attnum > 0 and not attribute.attisdropped
    union all
    select 'constraint', format('asyncjob.%s.%s', ours.relname, pg_constraint.conname),
           pg_get_constraintdef(pg_constraint.oid)
      from ours join pg_constraint on pg_constraint.conrelid = ours.oid
     where pg_constraint.contype <> 'n'      -- `not null`, from 18 on; the column says it
    union all
    select 'index', format('asyncjob.%s', index.relname),
           pg_get_indexdef(index.oid)
           || case when pg_index.indisvalid and pg_index.indisready then ''
                   else ' (invalid: it was not built to its end)' end
      from ours join pg_index on pg_index.indrelid = ours.oid
      join pg_class as index on index.oid = pg_index.indexrelid
     where not exists (select from pg_constraint
                        where pg_constraint.conindid = index.oid and pg_constraint.contype in ('p', 'u', 'x'))
    union all
    select 'trigger', format('asyncjob.%s.%s', ours.relname, trigger.tgname),
           case trigger.tgenabled when 'O' then '' when 'D' then '(disabled) '
                                  when 'R' then '(on replicas only) ' else '(always) ' end
           || pg_get_triggerdef(trigger.oid)
      from ours join pg_trigger as trigger on trigger.tgrelid = ours.oid
     where not trigger.tgisinternal
    union all
    select 'function',
           format('asyncjob.%s(%s)', pg_proc.proname, pg_get_function_identity_arguments(pg_proc.oid)),
           format('returns %s language %s', pg_get_function_result(pg_proc.oid), pg_language.lanname)
           || case pg_proc.provolatile when 'i' then ' immutable' when 's' then ' stable' else '' end
           || case when pg_proc.proisstrict then ' strict' else '' end
           || case when pg_proc.prosecdef then ' security definer' else '' end
           -- quoted where the function was made under quote_all_identifiers
           || coalesce(' set ' || replace(array_to_string(pg_proc.proconfig, ', '), '"', ''), '')
           -- the body of `begin atomic`, else a digest of the text
           || coalesce(' ' || regexp_replace(pg_get_function_sqlbody(pg_proc.oid), '\s+', ' ', 'g'),
                       ' source '
                       || left(encode(sha256(convert_to(pg_proc.prosrc, 'UTF8')), 'hex'), 16))
      from pg_proc join pg_language on pg_language.oid = pg_proc.prolang
     where pg_proc.pronamespace = (select pg_namespace.oid from pg_namespace
                                    where pg_namespace.nspname = 'asyncjob')
    union all
    select 'type', format('asyncjob.%s', pg_type.typname),
           string_agg(quote_literal(pg_enum.enumlabel), ', ' order by pg_enum.enumsortorder)
      from pg_type join pg_enum on pg_enum.enumtypid = pg_type.oid
     where pg_type.typnamespace = (select pg_namespace.oid from pg_namespace
                                    where pg_namespace.nspname = 'asyncjob')
     group by pg_type.typname
)
select object.kind || ' ' || object.name as name, object.definition
  from object order by object.kind || ' ' || object.name collate "C"
