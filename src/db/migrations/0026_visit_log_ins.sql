-- A visit ends with the log-in that it came from, which its ticket therefore names.

-- Tickets are good for a minute, and those that are there name no log-in: whoever holds one asks for another.
delete from visit_tickets;
alter table visit_tickets add column family_id uuid not null references token_families on delete cascade;
create index on visit_tickets (family_id);
