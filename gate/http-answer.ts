import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** The text of an answer's first line and headers. */
export function headText(status: number, rawHeaders: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < rawHeaders.length; index += 2)
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`
  return `${text}\r\n`
}

/** Answers on a socket that has left the HTTP server's hands, and closes it. */
export function answerOnSocket(socket: Duplex, status: number, message: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = `${message}\n`
  const headers = [
    'content-type',
    'text/plain; charset=utf-8',
    'content-length',
    `${Buffer.byteLength(body)}`,
  ]
  socket.end(headText(status, [...headers, 'connection', 'close']) + body, () => socket.destroy())
}
