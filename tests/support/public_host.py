"""Request three hosts of the pattern *.hooks.example, where 93.184.216.34 is this machine: `python -m ... FOLDER`."""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx

from asyncjobd_handlers.http.client import SharedClient
from asyncjobd_handlers.http.hosts import AllowedHosts, HostError, Origin


def spy_on_lookups() -> list[object]:
    loop = asyncio.get_running_loop()
    look_up, hosts = loop.getaddrinfo, []

    async def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        hosts.append(host.decode() if isinstance(host, bytes) else host)
        return await look_up(host, *arguments, **more)

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
    return hosts


async def main(folder: Path) -> None:
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    server = await asyncio.start_server(answer, "93.184.216.34", 443, ssl=tls)
    looked_up = spy_on_lookups()
    trusted = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    shared = SharedClient(AllowedHosts([Origin.parse("*.hooks.example")]), trusted)
    async with shared.use() as client:
        for host in ("a", "b", "inside"):
            try:
                response = await client.get(f"https://{host}.hooks.example/")
                host_header = next(
                    line for line in requests[0].decode().splitlines() if line.lower().startswith("host:")
                )
                print(
                    f"{host}: {response.status_code}, host {host_header[6:]}, name {names[0]}, look-ups {looked_up.count(f'{host}.hooks.example')}"
                )
            except (httpx.HTTPError, HostError) as error:
                print(f"{host}: {type(error).__name__}")
    server.close()


asyncio.run(main(Path(sys.argv[1])))
