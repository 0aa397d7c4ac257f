-- Operators run this Reef: hosts, pool, queue, every tenant's instances by name. Being one is no role in any organization
-- and shows nobody's conversations or secrets. The first person who signs up is one; they appoint others.
create table operators (
  user_id uuid primary key references users on delete cascade,
  appointed_by uuid references users on delete set null,
  appointed_at timestamptz not null default now()
);
insert into operators (user_id)
select id from users order by created_at, id limit 1;

grant select, insert, update, delete on operators to reef_worker;
