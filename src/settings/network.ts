import { z } from 'zod'
import { isNetwork } from '../fronts.ts'
import { commaSeparated, port } from './kinds.ts'

/** Where Reef listens, how people and instances reach it, and what stands in front. */
export const networkSettings = {
  REEF_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  REEF_PORT: port()
    .optional()
    .describe('Port of dashboard and API. Default 7300, or a free one if that is taken.'),
  REEF_PROXY_PORT: port()
    .optional()
    .describe('Port of the proxy to the instances. Default 7301, or a free one if that is taken.'),
  REEF_PUBLIC_URL: z
    .url()
    .optional()
    .describe('Where people reach the dashboard, if not at the listening address.'),
  REEF_PROXY_PUBLIC_URL: z
    .url()
    .optional()
    .describe('Where people reach the proxy, if not at the listening address.'),
  REEF_INTERNAL_URL: z
    .url()
    .optional()
    .describe('Where instances and other control planes reach this one, if not at the listening address.'),
  REEF_DOMAIN: z
    .string()
    .default('localhost')
    .describe('Instances answer at SLUG.DOMAIN. With localhost nothing needs to be set up.'),
  REEF_INGRESS: z
    .enum(['none', 'caddy'])
    .default('none')
    .describe('`caddy`: `reef up` runs Caddy in front of Reef, and people reach everything by https.'),
  REEF_INGRESS_HTTP_PORT: port().default(80).describe('Port on which the ingress redirects to https.'),
  REEF_INGRESS_HTTPS_PORT: port().default(443).describe('Port of the ingress, TCP and UDP (HTTP/3).'),
  REEF_INGRESS_HOST: z
    .string()
    .optional()
    .describe(
      'Address that the ingress listens on. Default: all; with REEF_DOMAIN=localhost this machine only.',
    ),
  REEF_INGRESS_TLS: z
    .string()
    .regex(/^(internal|acme|[^:]+:[^:]+)$/, 'is internal, acme or CERTIFICATE.pem:KEY.pem')
    .optional()
    .describe(
      'Where certificates come from: `internal` (Caddy’s own authority), `acme` (Let’s Encrypt) or CERTIFICATE.pem:KEY.pem for DOMAIN and *.DOMAIN. Default: acme, or internal for names that are not public.',
    ),
  REEF_ACME_EMAIL: z.email().optional().describe('Address that the certificate authority may write to.'),
  REEF_INGRESS_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9_-]{32,128}$/, 'needs 32 to 128 letters, digits, _ or -')
    .optional()
    .describe('Shared with a Caddy that you run yourself (deploy/caddy). Default: from the root secret.'),
  REEF_TRUSTED_PROXIES: commaSeparated()
    .refine((networks) => networks.every(isNetwork), 'is a list of addresses and networks like 10.0.0.0/8')
    .describe(
      'Reverse proxies of your own in front of Reef, comma-separated addresses or networks: their X-Forwarded-For is believed, nobody else’s.',
    ),
}
