import { createTransport } from 'nodemailer'
import { htmlOf, type Mailer, textOf } from '../../domain/mail/mailer.ts'

export interface SmtpOptions {
  /** smtp:// or smtps://, with user and password where the server wants them. */
  url: string
  /** Sender of all mails, an address or `Name <address>`. */
  from: string
}

/** A mail server that does not answer may not hold what waits behind it for longer. */
const secondsMax = 20

/** Mails over SMTP, with TLS wherever the server offers it. */
export function openSmtpMailer({ url, from }: SmtpOptions): Mailer {
  const milliseconds = secondsMax * 1000
  const transport = createTransport({
    url,
    connectionTimeout: milliseconds,
    greetingTimeout: milliseconds,
    socketTimeout: milliseconds,
    dnsTimeout: milliseconds,
    // Nothing that a mail names is fetched or read from disk.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    send: async (mail) => {
      await transport
        .sendMail({
          from,
          to: mail.to,
          subject: mail.subject,
          text: textOf(mail),
          html: htmlOf(mail),
          headers: { 'auto-submitted': 'auto-generated' },
        })
        .catch((error: { code?: unknown; responseCode?: unknown }) => {
          // Without the error itself, which is logged: it can repeat what the server was told.
          throw new Error(
            `The mail server did not take the mail (${String(error.responseCode ?? error.code ?? 'unknown')}).`,
          )
        })
    },
    close: () => transport.close(),
  }
}
