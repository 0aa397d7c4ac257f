/**
 * What a person is told when Reef does not start, or undefined for what nobody foresaw. The errors of the
 * configuration and the data directory already are such sentences; those of the system are put into words here.
 */
export function describeStartFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, port, syscall, path } = error as NodeJS.ErrnoException & { port?: number }
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use by another program. Stop it, or choose another port with --port and --proxy-port.`
    case 'EACCES':
      if (syscall === 'listen')
        return `This user may not listen on port ${port}. Choose one above 1023 with --port and --proxy-port.`
      return `Reef may not write to ${path ?? 'its data directory'}. Make it writable or choose another place with --data-dir.`
    case 'EADDRNOTAVAIL':
      return 'This machine does not have the address in REEF_HOST. Leave it out, or name one of its own.'
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full. Free some space (Reef needs about 2 GB) or choose another place with --data-dir.'
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
      return `The database of DATABASE_URL does not answer (${error.message || code}). Start it, or leave DATABASE_URL out to use a private one.`
  }
  // A plain Error of Reef's own carries a sentence; a TypeError or the like is a bug and keeps its stack.
  return error.constructor === Error || error.name === 'ConfigError' ? error.message : undefined
}
