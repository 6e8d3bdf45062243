"""A report that shows how far it is, and is there as a whole or not at all.

create table sale (customer text, sold_on date, amount numeric);
create table monthly_report (month date, customer text, total numeric, primary key (month, customer));
insert into asyncjob.job (job_name, params) values ('MonthlyReport', '{"month": "2026-11-01"}');
"""

from datetime import date

import msgspec

from asyncjobd import JobHandler, JobResult

SALES = "from sale where sold_on >= $1::date and sold_on < $1::date + interval '1 month'"
CUSTOMERS = f"select distinct customer {SALES} order by customer"
TOTAL = f"""
    insert into monthly_report (month, customer, total)
    select $1::date, $2, sum(amount) {SALES} and customer = $2
    on conflict (month, customer) do update set total = excluded.total
"""


class ReportParams(msgspec.Struct):
    month: date  # its first day


class MonthlyReport(JobHandler[ReportParams]):
    async def execute(self) -> JobResult:
        async with self.transaction() as connection:  # commits together with the job's completion
            customers = [row["customer"] for row in await connection.fetch(CUSTOMERS, self.params.month)]
            for done, customer in enumerate(customers, 1):
                await connection.execute(TOTAL, self.params.month, customer)
                await self.progress(done / len(customers), f"{done} of {len(customers)} customers")
        return JobResult.success(f"{len(customers)} customers", {"customers": len(customers)})
