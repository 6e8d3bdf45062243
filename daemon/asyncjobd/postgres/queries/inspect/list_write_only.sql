-- List the JSON Schemas of params that have fields which are only written.
select action.params_schema
  from asyncjob.action
 where action.params_schema::text like '%"writeOnly"%'
 order by action.name
