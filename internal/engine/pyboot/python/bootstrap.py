"""What is __main__ in an execution environment, as on AWS.

The program itself is awslambdaric/bootstrap.py. This file is here for those who
run __main__ again, as multiprocessing does in the processes that it spawns.
"""
