import type { Trx } from '../../db/database.ts'

/** A person as the rest of Reef knows them. */
export interface Person {
  id: string
  email: string
  name: string
}

/**
 * Who people are and how they prove it. Sessions, tokens and organizations are not its business.
 * E-mail addresses arrive here in lower case.
 */
export interface Identity {
  /** Slow on purpose (tens of milliseconds), so it is called before a transaction and never inside one. */
  hashPassword(password: string): Promise<string>
  /** Writes the person and their password's hash with `trx`. Throws `conflict` when the address has an account. */
  createPerson(trx: Trx, person: { email: string; name: string; passwordHash: string }): Promise<Person>
  /**
   * The person with this address and this password. Undefined for a wrong password and for an unknown address alike,
   * after about the same time.
   */
  findByPassword(email: string, password: string): Promise<Person | undefined>
}
