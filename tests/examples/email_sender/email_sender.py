"""A handler of one's own: it sends an email to each of its recipients."""

from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib
import msgspec

from asyncjobd import JobHandler, JobResult


class EmailParams(msgspec.Struct):
    """What a row says."""

    to: list[str]
    subject: str = "Hello"
    body: str = "Hello from asyncjobd"


class EmailOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What the action says."""

    sender: str
    host: str = "127.0.0.1"
    port: int = 25


class EmailSender(JobHandler[EmailParams]):
    Options = EmailOptions
    options: EmailOptions

    async def execute(self) -> JobResult:
        sent: list[str] = []
        refused: dict[str, str] = {}
        # a server that is away raises here: the job is retried in its retry_interval
        async with aiosmtplib.SMTP(hostname=self.options.host, port=self.options.port, timeout=10) as server:
            for address in self.params.to:
                try:
                    await server.send_message(self._message(address))
                    sent.append(address)
                except aiosmtplib.SMTPRecipientsRefused as error:
                    refused[address] = str(error.recipients[0].message)
                done = len(sent) + len(refused)
                await self.progress(done / len(self.params.to), f"{done} of {len(self.params.to)}")
        self.log.info("emails.sent", sent=len(sent), refused=len(refused))
        result = {"sent": sent, "refused": refused}
        if not sent:
            return JobResult.fatal_error("nobody could be reached", result)
        return JobResult.success(f"sent to {len(sent)} of {len(self.params.to)}", result)

    def _message(self, address: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.options.sender
        message["To"] = address
        message["Subject"] = self.params.subject
        message["Date"] = formatdate()
        message.set_content(self.params.body)
        return message
