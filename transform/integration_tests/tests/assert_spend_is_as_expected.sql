-- Rows of one side that the other does not have.
with differences as (
  (select account, cast(amount as decimal(18, 2)) as amount from {{ ref('spend_by_account') }}
   except select account, amount from {{ ref('expected_spend') }})
  union all
  (select account, amount from {{ ref('expected_spend') }}
   except select account, cast(amount as decimal(18, 2)) from {{ ref('spend_by_account') }})
)

select * from differences
