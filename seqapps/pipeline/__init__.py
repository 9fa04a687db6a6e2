"""The five stages: fetch data, write records, train, evaluate, export."""
