/**
 * The port to the DNS. Each method answers an empty list when the name has no such record, and throws when nobody could
 * say: a server that does not answer proves nothing, neither that a record is there nor that it is gone.
 */
export interface Resolver {
  /** Each record as one text. */
  txt(name: string): Promise<string[]>
  /** In lower case, without a dot at the end. */
  cname(name: string): Promise<string[]>
  /** IPv4 and IPv6. */
  addresses(name: string): Promise<string[]>
}
