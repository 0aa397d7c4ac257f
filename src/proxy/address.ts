/** The origin at which an instance answers: its name under the domain, with the scheme and port of the proxy. */
export function instanceOrigin(proxyPublicUrl: string, domain: string, slug: string): string {
  const { protocol, port } = new URL(proxyPublicUrl)
  return `${protocol}//${slug}.${domain}${port ? `:${port}` : ''}`
}
