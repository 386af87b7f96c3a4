"""What is __main__ in an execution environment, as on AWS.

The program itself is awslambdaric/bootstrap.py. This file is executed where a
function brings extensions or a wrapper; elsewhere it is here for those who run
__main__ again, as multiprocessing does in the processes that it spawns.
"""

if __name__ == "__main__":
    from awslambdaric import bootstrap

    bootstrap.execute()
