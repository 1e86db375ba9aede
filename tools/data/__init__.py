"""The course's own speech data sets: texts beside the code, parquet and cards in helpers/assets."""
