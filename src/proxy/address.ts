/** The origin at which an instance answers: its name under the domain, with the scheme and port of the proxy. */
export function instanceOrigin(proxyPublicUrl: string, domain: string, slug: string): string {
  return hostOrigin(proxyPublicUrl, `${slug}.${domain}`)
}

/** The origin at which a name that leads here answers. */
export function hostOrigin(proxyPublicUrl: string, hostname: string): string {
  const { protocol, port } = new URL(proxyPublicUrl)
  return `${protocol}//${hostname}${port ? `:${port}` : ''}`
}
