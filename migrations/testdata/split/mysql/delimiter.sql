SELECT 'before';
DELIMITER //
CREATE PROCEDURE p()
BEGIN
  SELECT '//; in a string';
  SELECT 1; -- and in a comment //
END//
CREATE PROCEDURE q() SELECT 1; //
delimiter $$
create trigger t before insert on x for each row begin set new.a = 1; end$$
  DELIMITER ;
SELECT 'after';
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t2 BEFORE INSERT ON x FOR EACH ROW BEGIN SET NEW.a = 1; END */;
DELIMITER ;;
/*!50003 CREATE*/ /*!50020 DEFINER=`root`@`%`*/ /*!50003 PROCEDURE `r`()
BEGIN SELECT 1; END */;;
DELIMITER ;
