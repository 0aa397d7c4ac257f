import { z } from 'zod'
import { isNetwork } from '../fronts.ts'
import { commaSeparated } from './kinds.ts'

/** How people are told things. */
export const mailSettings = {
  REEF_SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'is not an smtp:// or smtps:// URL' })
    .optional()
    .describe(
      'Mail server, smtp[s]://[USER:PASSWORD@]HOST[:PORT]. Without it no mail is sent and no address has to be confirmed.',
    ),
  REEF_MAIL_FROM: z
    .string()
    .min(3)
    .optional()
    .describe('Sender of mails, an address or `Name <address>`. Default: reef@ the value of REEF_DOMAIN.'),
  REEF_WEBHOOK_PRIVATE_NETWORKS: commaSeparated()
    .refine(
      (networks) => networks.every((network) => network.includes('/') && isNetwork(network)),
      'is a list of networks like 10.0.0.0/8',
    )
    .describe(
      'Networks that are not public and that alert webhooks may post to all the same, also without TLS. Default: none.',
    ),
}
